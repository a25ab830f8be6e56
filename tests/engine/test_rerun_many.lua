--- COUNTING
--- Per key "last" is the number last replayed; what comes out of order is published.
return function(e)
  if not e.replayed then return end
  local n = tonumber(e.payload)
  if n ~= zing.state.incr('last') then
    zing.publish('wrong', e.key .. e.payload)
  end
end

--- one_replayed_alone_keeps_its_place_in_a_replay_of_all
return function(e)
  zing.publish('out', e.payload .. (e.replayed and '*' or ''))
end
