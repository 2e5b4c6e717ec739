-- RUN: not passtool -config %s -print-qconfig %S/net.ir
default { activation = minmax { quant_min = -1 } }
-- ERR: %s:2:33: error: u8 takes values from 0 to 255, not from -1 to 255
-- ERR: default { activation = minmax { quant_min = -1 } }
-- ERR:                                 ^~~~~~~~~
