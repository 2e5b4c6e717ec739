-- MinMaxObserver()
preset "qnnpack"
default { activation = minmax {} }
