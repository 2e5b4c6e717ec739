-- RUN: not passtool -config %s -print-qconfig %S/net.ir
for i = 1, 20000 do
  node("n" .. i, { mode = "float" })
end
-- ERR: %s:3:3: error: more than 10000 rules
-- ERR:   node("n" .. i, { mode = "float" })
-- ERR:   ^~~~
