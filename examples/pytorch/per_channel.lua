-- MovingAveragePerChannelMinMaxObserver(ch_axis=0): a scale for each channel, which weights can have and activations
-- cannot.
preset "qnnpack"
default { weight = moving_average_per_channel { ch_axis = 0 } }
