--- LISTS
return function()
  zing.publish('out', zing.json.encode(zing.wait_all('done', 3)))
end

--- after_a_timeout_what_came_is_there_for_the_next_wait
return function()
  local all, why = zing.wait_all('done', 3, '1m')
  zing.publish('out', all and 'all' or why)
  zing.publish('out', zing.json.encode(zing.wait_all('done', 2)))
end

--- ten_thousand_come_back
return function()
  local sum = 0
  local all = zing.wait_all('done', 10000, '1h')
  for _, n in ipairs(all) do sum = sum + n end
  zing.publish('out', #all .. ' ' .. sum)
end
