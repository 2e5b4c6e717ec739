-- HistogramObserver() as PyTorch 1.8 to 1.13 has it: range = "int" cuts the bounds of its first histogram to integers.
-- Without that (the default here) it does what older and newer versions do.
preset "qnnpack"
default { activation = histogram { range = "int" } }
