-- MovingAverageMinMaxObserver()
preset "qnnpack"
default { activation = moving_average { averaging_constant = 0.01 } }
