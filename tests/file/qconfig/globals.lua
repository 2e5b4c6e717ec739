-- RUN: passtool -config %s -print-qconfig %S/net.ir
-- Variables may be global, and may hide the application's names where they are local.
wide = 255
local node_name, max = "conv1", wide
node(node_name, { activation = minmax { quant_max = max } })
wide = nil
assert(max == 255)
-- OUT: NODE   OP          MODE    RESULT                  WEIGHT                                      RULE
-- OUT: image  input       -       extremes, u8            -                                           preset qcc
-- OUT: conv1  conv2d      static  minmax, u8              per_channel_minmax, s8 -127..127 symmetric  %s:5: node conv1 (activation)
-- OUT: pool   max_pool2d  static  as conv1                -                                           preset qcc
-- OUT: conv2  conv2d      static  extremes, u8            per_channel_minmax, s8 -127..127 symmetric  preset qcc
-- OUT: gate   sigmoid     static  fixed by sigmoid, u8    -                                           preset qcc
-- OUT: sum    add         static  extremes, u8            -                                           preset qcc
-- OUT: flat   reshape     static  as sum                  -                                           preset qcc
-- OUT: fc     linear      static  -                       per_channel_minmax, s8 -127..127 symmetric  preset qcc
-- OUT: prob   softmax     float   it has no integer form  -                                           preset qcc
