-- MovingAverageMinMaxObserver(qscheme=torch.per_tensor_symmetric)
preset "qnnpack"
default { activation = moving_average { symmetric = true } }
