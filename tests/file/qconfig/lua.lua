-- RUN: passtool -config %s -print-qconfig %S/net.ir
-- A configuration is a program: names, loops and functions shorten it.
local wide = per_channel_minmax { quant_min = -127, eps = 0 }
local function in_float(names) for _, n in ipairs(names) do node(n, { mode = "float" }) end end
default { weight = wide }
in_float { "gate", "sum" }
for i = 1, 2 do node(string.format("conv%d", i), { activation = minmax { quant_max = 256 // i - 1 } }) end
-- OUT: NODE   OP          MODE    RESULT                            WEIGHT                                      RULE
-- OUT: image  input       -       extremes, u8                      -                                           %s:5: default
-- OUT: conv1  conv2d      static  minmax, u8                        per_channel_minmax, s8 -127..127 symmetric  %s:7: node conv1 (activation)
-- OUT: pool   max_pool2d  static  as conv1                          -                                           %s:5: default
-- OUT: conv2  conv2d      static  -                                 per_channel_minmax, s8 -127..127 symmetric  %s:7: node conv2 (activation)
-- OUT: gate   sigmoid     float   as configured                     -                                           %s:4: node gate (mode)
-- OUT: sum    add         float   as configured; then extremes, u8  -                                           %s:4: node sum (mode)
-- OUT: flat   reshape     static  as sum                            -                                           %s:5: default
-- OUT: fc     linear      static  -                                 per_channel_minmax, s8 -127..127 symmetric  %s:5: default
-- OUT: prob   softmax     float   it has no integer form            -                                           %s:5: default
