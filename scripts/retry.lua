-- retry.lua - a retry policy: when a failed attempt is tried again, and when to give up.
--
-- It is called with the event and the error of the attempt that failed, and returns {after =
-- seconds} or {dead = "reason"}. It stands in for `retries`, `delay` and `max_delay` of a service
-- whose events deserve different patience:

local rules = {
  -- A buyer waits in front of a screen, and others wait for the seat: five more tries, at most half
  -- a minute.
  ["booking/seat-locked"] = {tries = 6, first = 1, longest = 60},

  -- Nobody waits, but it is somebody's money: try for more than a day, five minutes apart.
  ["booking/refund"] = {tries = 400, first = 1, longest = 300},
  ["booking/charge-unknown"] = {tries = 400, first = 5, longest = 300},

  -- A mail that somebody asked for: three tries, then a person decides.
  ["email/send"] = {tries = 3, first = 2, longest = 60},

  -- A ticket that is paid for: mail servers greylist, the first try is often refused for minutes.
  ["booking/sold"] = {tries = 12, first = 2, longest = 600},
}
local otherwise = {tries = 4, first = 1, longest = 300}

return function(event, err)
  local rule = rules[event.topic] or otherwise
  if event.attempt >= rule.tries then
    return {dead = ("gave up after %d tries: %s"):format(event.attempt, err)}
  end
  -- Twice as long each time, and up to a fifth more or less, so that what failed together does not
  -- come back together.
  local after = math.min(rule.first * 2.0 ^ (event.attempt - 1), rule.longest)
  return {after = after * (0.8 + 0.4 * math.random())}
end
