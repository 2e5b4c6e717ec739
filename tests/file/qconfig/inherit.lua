-- RUN: passtool -config %s -print-qconfig %S/net.ir
-- What an observer does not say of integers it has from the default, and that from the preset; another type starts
-- with its whole range. Parameters of the observer itself are the observer's own defaults.
preset "fbgemm"
node("image", { activation = minmax {} })
node("conv1", { activation = minmax { dtype = "s8" }, weight = minmax {} })
node("conv2", { activation = minmax { reduce_range = false }, weight = per_channel_minmax { quant_min = -127 } })
node("gate", { activation = minmax { quant_max = 200, eps = 0 } })
node("sum", { activation = minmax { dtype = "s8", reduce_range = true } })
node("fc", { mode = "dynamic" })
node("prob", { activation = fixed { scale = 0.5, zero_point = 3 } })
default { weight = per_channel_minmax { eps = 0.25 } }
sharing "moves"
-- OUT: NODE   OP          MODE     RESULT                           WEIGHT                                               RULE
-- OUT: image  input       -        minmax, u8 0..127 eps=1.19e-07   -                                                    %s:5: node image (activation)
-- OUT: conv1  conv2d      static   minmax, s8 eps=1.19e-07          minmax, s8 symmetric eps=0.25                        %s:6: node conv1 (activation, weight)
-- OUT: pool   max_pool2d  static   as conv1                         -                                                    %s:12: default
-- OUT: conv2  conv2d      static   minmax, u8 eps=1.19e-07          per_channel_minmax, s8 -127..127 symmetric eps=0.25  %s:7: node conv2 (activation, weight)
-- OUT: gate   sigmoid     static   minmax, u8 0..200                -                                                    %s:8: node gate (activation)
-- OUT: sum    add         static   minmax, s8 -64..63 eps=1.19e-07  -                                                    %s:9: node sum (activation)
-- OUT: flat   reshape     static   as sum                           -                                                    %s:12: default
-- OUT: fc     linear      dynamic  operand u8 0..127 at run time    per_channel_minmax, s8 symmetric eps=0.25            %s:10: node fc (mode)
-- OUT: prob   softmax     float    it has no integer form           -                                                    %s:11: node prob (activation)
