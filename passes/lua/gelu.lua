-- GELU that came in smaller ops becomes one: x / 2 * (1 + erf(x / sqrt 2)), or its form with tanh.
local square = "(pow(%x){ exponent = 2 } | mul(%x, %x))"
local cube = "(pow(%x){ exponent = 3 } | mul(%x, " .. square .. "))"
local gates = {
  none = "add(1, erf((div(%x, 1.41421356) | mul(%x, 0.70710678))))",
  tanh = "add(1, tanh(mul(add(%x, mul(" .. cube .. ", 0.044715)), 0.79788456)))",
}

-- x, 1/2 and the gate in any order
local function product(gate)
  return "(mul(0.5, mul(%x, " .. gate .. ")) | mul(mul(%x, 0.5), " .. gate .. ") | mul(%x, mul(" .. gate .. ", 0.5)))"
end

pass("gelu", {
  what = "put GELU together that came in smaller ops",
  after = "canonicalize",
  run = function(graph)
    graph:rewrite(function() -- all at once: the verifier need not run for each
      for approximate, gate in pairs(gates) do
        for node, found in graph:find(product(gate)) do
          if found.x:same_shape(node.result) and node.result.dtype == "f32" then
            graph:replace(node, "gelu", { found.x }, { approximate = approximate })
          end
        end
      end
    end)
  end,
})
