preset "minmax"
local sigma = use "sigma" -- the mean and some standard deviations, but no more than was seen
default { activation = sigma { deviations = 5 } }
