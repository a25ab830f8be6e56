-- Fated to die, or not; see kind_die.c.
local die = {}

die["in/die/+"] = function(e)
  local m = e.json
  if e.replayed then
    -- mended, whatever it was
  elseif m.fate == "shaky" and e.attempt < 3 then
    error("not yet")
  elseif m.fate == "slow" then
    pcall(zing.http.get, "http://pay/slow")
  elseif m.fate == "long" then
    for _ = 1, 16000 do
      if e.cancelled() then break end
    end
  elseif m.fate == "waits" then
    zing.wait("never " .. m.n, 20)
  elseif m.fate == "fails" then
    error("as told")
  elseif m.fate == "rejects" or m.fate == "policy" or m.fate == "let go" then
    zing.reject("refused as told")
  elseif m.fate == "mine" then
    zing.log.warn("mine " .. m.n)
  end
  zing.publish("out/die/" .. e.key, tostring(m.n))
end

function die.on_dead(e, reason)
  local n = e.payload:match('"n":(%d+)') or e.payload:match("^%d+")
  if e.payload:find('"policy"', 1, true) then zing.log.warn("mine " .. n) end
  zing.publish("out/die/" .. e.key, n .. " buried")
end

return die
