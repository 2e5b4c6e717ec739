-- QConfig(activation=MinMaxObserver.with_args(dtype=torch.quint8),
--         weight=PerChannelMinMaxObserver.with_args(dtype=torch.qint8, qscheme=torch.per_channel_affine))
preset "qnnpack"
default {
  activation = minmax { dtype = "u8" },
  weight = per_channel_minmax { dtype = "s8", symmetric = false },
}
