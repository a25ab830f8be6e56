-- flaky.lua - the service "flaky": retry with exponential delay, to watch.
--
--   practice/flaky   {"fails": 3}   fails so often, then answers on practice/recovered
--
-- An error is a retry: the service's `retries`, `delay` and `backoff` say when. What a failed attempt
-- staged is dropped, so "practice/recovered" comes once, however many attempts there were.

return function(event)
  local wish = event.json
  zing.publish("practice/recovered", {attempt = event.attempt})
  if event.attempt <= (wish.fails or 0) then
    error(("attempt %d of %d fails on purpose"):format(event.attempt, wish.fails), 0)
  end
end
