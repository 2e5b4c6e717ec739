-- How many weights of each layer are next to nothing, for people.
pass("sparse", {
  what = "count small weights",
  run = function(graph)
    for n in graph:nodes() do
      local w = n.operands[2]
      if w and w.is_constant and w.count > 1 then
        local small, greatest = 0, 0
        for _, v in ipairs(w:values()) do
          greatest = math.max(greatest, math.abs(v))
        end
        for _, v in ipairs(w:values()) do
          if math.abs(v) < greatest / 256 then small = small + 1 end
        end
        print(string.format("%-8s %5d weights, %d of them below 1/256 of the greatest", n.name, w.count, small))
      end
    end
  end,
})
