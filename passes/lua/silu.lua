-- SiLU, hard swish and Mish, each a product of x and a gate, become one operator.
local rules = {
  { op = "silu", pattern = "mul(%x, sigmoid(%x))" },
  { op = "hard_swish", pattern = "mul(%x, hard_sigmoid(%x){ alpha = 0.16666667, beta = 0.5 })" },
  { op = "mish", pattern = "mul(%x, tanh(softplus(%x)))" },
}

pass("silu", {
  what = "x * sigmoid(x) is silu(x); hard swish and Mish alike",
  after = "canonicalize",
  run = function(graph)
    graph:rewrite(function() -- all at once: the verifier need not run for each
      for _, rule in ipairs(rules) do
        for node, found in graph:find(rule.pattern) do
          graph:replace(node, rule.op, { found.x })
        end
      end
    end)
  end,
})
