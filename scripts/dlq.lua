-- dlq.lua - a dead-letter policy: called once for each event that has failed for good.
--
-- It may publish and write state, or return "discard" to let the event go. Here every dead letter is
-- kept until a person decides (`zingq dlq`), a line goes to a file for whoever reads files, one for each
-- service, because a file belongs to whoever wrote it first, and a refund that did not work is told to
-- the shop, if it has said where: money does not wait quietly. That of a saga is one of its compensations.
local urgent = {["booking/refund"] = true, ["booking/charge-unknown"] = true}

return function(event, reason)
  local first_line = reason:match("[^\n]*")
  zing.append("dead-letters-" .. event.service .. ".log", ("%s %s %s key=%s id=%s: %s"):format(
    os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(zing.now())),
    event.service, event.topic, event.key, event.id, first_line))
  local half_undone = reason:find("^the compensation of") or reason:find("^undoing the saga")
  if (urgent[event.topic] or half_undone) and zing.config.alert_to then
    zing.publish("email/send", {
      to = zing.config.alert_to,
      subject = "Money to give back by hand: booking " .. event.key,
      text = ("%s failed for good: %s\n\nzingq dlq show %s\n\n%s\n"):format(
        event.topic, first_line, event.id, event.payload),
    })
  end
end
