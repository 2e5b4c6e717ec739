-- model.qconfig = torch.ao.quantization.get_default_qconfig("qnnpack")
preset "qnnpack"
default { activation = histogram { range = "int" } } -- see histogram.lua
