-- RUN: passtool -config %s -print-qconfig %S/concat.ir
-- RUN: passtool -config %s -make-calib %t/c.npz -stop-after quantize %S/concat.ir
-- What is concatenated has one scale. Known parameters are for their own op alone: what is beside it need not fit.
preset "minmax"
node("a", { activation = fixed { scale = 0.01, zero_point = 5 } })
-- OUT: NODE  OP       MODE    RESULT      WEIGHT                                      RULE
-- OUT: x     input    -       minmax, u8  -                                           preset minmax
-- OUT: a     sigmoid  static  minmax, u8  -                                           %s:5: node a (activation)
-- OUT: b     linear   static  as a        per_channel_minmax, s8 -127..127 symmetric  preset minmax
-- OUT: c     concat   static  as a        -                                           preset minmax
-- OUT: model concat {
-- OUT:   input %x : f32[1, 2]
-- OUT:   const @w : s8<axis=0, scale=[0.031496063, 0.031496063], zero=0>[2, 2] = [[127, 0], [0, 127]]
-- OUT:   %x.q = quantize(%x) : u8<scale=0.01842451, zero=127>[1, 2]
-- OUT:   %a = sigmoid(%x.q) : u8<scale=0.07369804, zero=127>[1, 2]
-- OUT:   %b = linear(%x.q, @w) : u8<scale=0.07369804, zero=127>[1, 2]
-- OUT:   %c.q = concat(%a, %b) : u8<scale=0.07369804, zero=127>[1, 4]
-- OUT:   %c = dequantize(%c.q) : f32[1, 4]
-- OUT:   output %c
-- OUT: }
