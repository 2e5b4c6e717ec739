-- RUN: not passtool -config %s -print-qconfig %S/net.ir
-- Every mistake of a file is reported, at the key in the text.
default {
  activation = histogram {
    bims = 3,
    range = "flaot",
    upsample_rate = 1.5,
  },
  wieght = minmax {}, mode = "dynamc",
  zzz = 1
}
op("linear", { activation = moving_average { averaging_constant = 2 }, weight = moving_average { averaging_constant = "x" } })
-- ERR: %s:7:5: error: the upsample_rate of histogram is an integer from 1 to 4096, not 1.5
-- ERR:     upsample_rate = 1.5,
-- ERR:     ^~~~~~~~~~~~~
-- ERR: %s:6:5: error: the range of histogram is one of float, int, not 'flaot'
-- ERR:     range = "flaot",
-- ERR:     ^~~~~
-- ERR: %s:5:5: error: histogram has no 'bims'; did you mean 'bins'?
-- ERR:     bims = 3,
-- ERR:     ^~~~
-- ERR: %s:9:23: error: 'mode' must be "static", "dynamic", "weights" or "float", not 'dynamc'; did you mean "dynamic"?
-- ERR:   wieght = minmax {}, mode = "dynamc",
-- ERR:                       ^~~~
-- ERR: %s:9:3: error: default has no 'wieght'; did you mean 'weight'?
-- ERR:   wieght = minmax {}, mode = "dynamc",
-- ERR:   ^~~~~~
-- ERR: %s:10:3: error: default has no 'zzz'; it has mode, activation, weight
-- ERR:   zzz = 1
-- ERR:   ^~~
-- ERR: %s:12:46: error: the averaging_constant of moving_average is a number from 0 to 1, not 2
-- ERR: op("linear", { activation = moving_average { averaging_constant = 2 }, weight = moving_average { averaging_constant = "x" } })
-- ERR:                                              ^~~~~~~~~~~~~~~~~~
-- ERR: %s:12:98: error: 'averaging_constant' must be a number, not 'x'
-- ERR: tivation = moving_average { averaging_constant = 2 }, weight = moving_average { averaging_constant = "x" } })
-- ERR:                                                                                 ^~~~~~~~~~~~~~~~~~
