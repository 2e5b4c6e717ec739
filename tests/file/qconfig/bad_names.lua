-- RUN: not passtool -config %s -print-qconfig %S/net.ir
default { activation = histogramm { bins = 100 } }
-- ERR: %s:2:24: error: there is no 'histogramm'; did you mean 'histogram'?
-- ERR: default { activation = histogramm { bins = 100 } }
-- ERR:                        ^~~~~~~~~~
