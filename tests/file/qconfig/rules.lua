-- RUN: passtool -config %s -print-qconfig %S/net.ir
-- Rules by kind: a name counts more than a pattern, a pattern more than an operator, and the last of a kind the most,
-- whatever the order; what a rule leaves out is the default's, also where that stands below it.
node("conv2", { weight = minmax {} })
op("conv2d", { mode = "float" })
op("add", { mode = "float" })
pattern("conv*", { activation = moving_average { averaging_constant = 0.5 } })
pattern("p??l", { mode = "float" })
pattern("p*l", { })
default { activation = histogram { bins = 1024, range = "int" }, weight = per_channel_minmax { quant_min = -100 } }
-- OUT: NODE   OP          MODE    RESULT                                                 WEIGHT                                      RULE
-- OUT: image  input       -       histogram bins=1024 range=int, u8                      -                                           %s:10: default
-- OUT: conv1  conv2d      static  moving_average averaging_constant=0.5, u8              per_channel_minmax, s8 -100..127 symmetric  %s:7: pattern conv* (activation)
-- OUT: pool   max_pool2d  static  as conv1                                               -                                           %s:9: pattern p*l
-- OUT: conv2  conv2d      static  -                                                      minmax, s8 -100..127 symmetric              %s:4: node conv2 (weight)
-- OUT: gate   sigmoid     float   no integer op reads its result                         -                                           %s:10: default
-- OUT: sum    add         float   as configured; then histogram bins=1024 range=int, u8  -                                           %s:6: op add (mode)
-- OUT: flat   reshape     static  as sum                                                 -                                           %s:10: default
-- OUT: fc     linear      static  -                                                      per_channel_minmax, s8 -100..127 symmetric  %s:10: default
-- OUT: prob   softmax     float   it has no integer form                                 -                                           %s:10: default
