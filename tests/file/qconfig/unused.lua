-- RUN: passtool -config %s -print-qconfig %S/net.ir
-- RUN: not passtool -Werror -config %s -print-qconfig %S/net.ir
-- RUN: passtool -Wno-unused-rule -config %s -print-qconfig %S/net.ir
-- Rules that fit nothing are most likely misspelt. Overruled ones are not.
op("tanh", { mode = "float" })
pattern("conv[3-9]", { mode = "float" })
node("con1", { mode = "float" })
op("conv2d", { mode = "float" })
pattern("conv*", { mode = "float" })
node("image", {})
-- OUT: NODE   OP          MODE    RESULT                            WEIGHT                                      RULE
-- OUT: image  input       -       -                                 -                                           %s:10: node image
-- OUT: conv1  conv2d      float   as configured; then extremes, u8  -                                           %s:9: pattern conv* (mode)
-- OUT: pool   max_pool2d  static  as conv1                          -                                           preset qcc
-- OUT: conv2  conv2d      float   as configured; then extremes, u8  -                                           %s:9: pattern conv* (mode)
-- OUT: gate   sigmoid     static  fixed by sigmoid, u8              -                                           preset qcc
-- OUT: sum    add         static  extremes, u8                      -                                           preset qcc
-- OUT: flat   reshape     static  as sum                            -                                           preset qcc
-- OUT: fc     linear      static  -                                 per_channel_minmax, s8 -127..127 symmetric  preset qcc
-- OUT: prob   softmax     float   it has no integer form            -                                           preset qcc
-- OUT: NODE   OP          MODE    RESULT                            WEIGHT                                      RULE
-- OUT: image  input       -       -                                 -                                           %s:10: node image
-- OUT: conv1  conv2d      float   as configured; then extremes, u8  -                                           %s:9: pattern conv* (mode)
-- OUT: pool   max_pool2d  static  as conv1                          -                                           preset qcc
-- OUT: conv2  conv2d      float   as configured; then extremes, u8  -                                           %s:9: pattern conv* (mode)
-- OUT: gate   sigmoid     static  fixed by sigmoid, u8              -                                           preset qcc
-- OUT: sum    add         static  extremes, u8                      -                                           preset qcc
-- OUT: flat   reshape     static  as sum                            -                                           preset qcc
-- OUT: fc     linear      static  -                                 per_channel_minmax, s8 -127..127 symmetric  preset qcc
-- OUT: prob   softmax     float   it has no integer form            -                                           preset qcc
-- OUT: NODE   OP          MODE    RESULT                            WEIGHT                                      RULE
-- OUT: image  input       -       -                                 -                                           %s:10: node image
-- OUT: conv1  conv2d      float   as configured; then extremes, u8  -                                           %s:9: pattern conv* (mode)
-- OUT: pool   max_pool2d  static  as conv1                          -                                           preset qcc
-- OUT: conv2  conv2d      float   as configured; then extremes, u8  -                                           %s:9: pattern conv* (mode)
-- OUT: gate   sigmoid     static  fixed by sigmoid, u8              -                                           preset qcc
-- OUT: sum    add         static  extremes, u8                      -                                           preset qcc
-- OUT: flat   reshape     static  as sum                            -                                           preset qcc
-- OUT: fc     linear      static  -                                 per_channel_minmax, s8 -127..127 symmetric  preset qcc
-- OUT: prob   softmax     float   it has no integer form            -                                           preset qcc
-- ERR: %s:5:1: warning: there is no node of the operator 'tanh' in the model once it is fused; -print-qconfig lists the nodes [-Wunused-rule]
-- ERR: op("tanh", { mode = "float" })
-- ERR: ^~
-- ERR: %s:6:1: warning: there is no node whose name fits 'conv[3-9]' in the model once it is fused; -print-qconfig lists the nodes [-Wunused-rule]
-- ERR: pattern("conv[3-9]", { mode = "float" })
-- ERR: ^~~~~~~
-- ERR: %s:7:1: warning: there is no node named 'con1' in the model once it is fused; -print-qconfig lists the nodes [-Wunused-rule]
-- ERR: node("con1", { mode = "float" })
-- ERR: ^~~~
-- ERR: %s:5:1: error: there is no node of the operator 'tanh' in the model once it is fused; -print-qconfig lists the nodes [-Werror,-Wunused-rule]
-- ERR: op("tanh", { mode = "float" })
-- ERR: ^~
-- ERR: %s:6:1: error: there is no node whose name fits 'conv[3-9]' in the model once it is fused; -print-qconfig lists the nodes [-Werror,-Wunused-rule]
-- ERR: pattern("conv[3-9]", { mode = "float" })
-- ERR: ^~~~~~~
-- ERR: %s:7:1: error: there is no node named 'con1' in the model once it is fused; -print-qconfig lists the nodes [-Werror,-Wunused-rule]
-- ERR: node("con1", { mode = "float" })
-- ERR: ^~~~
