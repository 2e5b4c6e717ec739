-- The first and the last layer stay in float32: a rule that no list of names has to say for each model.
local layers = { conv2d = true, linear = true }

pass("ends", {
  what = "leave the first and the last layer in float32",
  run = function(graph)
    local first, last
    for n in graph:nodes() do
      if layers[n.op] then
        first, last = first or n, n
      end
    end
    node(first.name, { mode = "float" })
    node(last.name, { mode = "float" })
  end,
})
