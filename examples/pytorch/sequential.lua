-- prepare_fx(model, get_default_qconfig_mapping("fbgemm"), ...), or get_default_qconfig("fbgemm") in eager mode
preset "fbgemm"
default { activation = histogram { range = "int" } } -- see histogram.lua
