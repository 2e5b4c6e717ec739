-- RUN: not passtool -config %s -print-qconfig %S/net.ir
default { activation = entropy { unsigned = 1, skip_zeros = "yes" } }
-- ERR: %s:2:48: error: the skip_zeros of entropy is one of false, true, not 'yes'
-- ERR: default { activation = entropy { unsigned = 1, skip_zeros = "yes" } }
-- ERR:                                                ^~~~~~~~~~
-- ERR: %s:2:34: error: 'unsigned' must be true or false, not 1
-- ERR: default { activation = entropy { unsigned = 1, skip_zeros = "yes" } }
-- ERR:                                  ^~~~~~~~
