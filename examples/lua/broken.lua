-- Forgets that the sum needs both of its operands in one shape: nothing is changed, and the mistake is shown.
pass("broken", {
  run = function(graph)
    for n, found in graph:find("silu(%x)") do
      graph:replace(n, "add", { found.x, graph.inputs[1] })
    end
  end,
})
