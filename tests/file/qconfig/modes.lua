-- RUN: passtool -config %s -print-qconfig %S/net.ir
-- The modes, and why a node of the mode static stays in float.
default { mode = "float" }
node("conv1", { mode = "weights", weight = noop { dtype = "f16" } })
node("conv2", { mode = "weights" })
node("fc", { mode = "dynamic", activation = placeholder { reduce_range = true } })
node("prob", { mode = "static" })
-- OUT: NODE   OP          MODE     RESULT                         WEIGHT                                      RULE
-- OUT: image  input       -        -                              -                                           %s:3: default
-- OUT: conv1  conv2d      weights  -                              noop, f16                                   %s:4: node conv1 (mode, weight)
-- OUT: pool   max_pool2d  float    as configured                  -                                           %s:3: default
-- OUT: conv2  conv2d      weights  -                              per_channel_minmax, s8 -127..127 symmetric  %s:5: node conv2 (mode)
-- OUT: gate   sigmoid     float    as configured                  -                                           %s:3: default
-- OUT: sum    add         float    as configured                  -                                           %s:3: default
-- OUT: flat   reshape     float    as configured                  -                                           %s:3: default
-- OUT: fc     linear      dynamic  operand u8 0..127 at run time  per_channel_minmax, s8 -127..127 symmetric  %s:6: node fc (mode, activation)
-- OUT: prob   softmax     float    it has no integer form         -                                           %s:7: node prob (mode)
