-- The observer sigma: the mean and some standard deviations around it, but no more than was seen.
return observer("sigma", {
  params = { deviations = 6 },
  state = { count = 0, sum = 0, squares = 0, min = 0, max = 0 },
  observe = function(seen, x)
    local first = seen.count == 0
    seen.min = first and x:min() or math.min(seen.min, x:min())
    seen.max = first and x:max() or math.max(seen.max, x:max())
    seen.count = seen.count + #x
    seen.sum = seen.sum + x:sum()
    seen.squares = seen.squares + x:squares()
  end,
  finish = function(seen, params)
    local mean = seen.sum / seen.count
    local width = params.deviations * math.sqrt(math.max(seen.squares / seen.count - mean * mean, 0))
    return math.max(seen.min, mean - width), math.min(seen.max, mean + width)
  end,
  merge = function(seen, other)
    seen.min = math.min(seen.min, other.min)
    seen.max = math.max(seen.max, other.max)
    seen.count = seen.count + other.count
    seen.sum = seen.sum + other.sum
    seen.squares = seen.squares + other.squares
  end,
})
