-- mail.lua - one mail.
return function(event)
  zing.mail{to = "someone@example.org", subject = event.json.id, text = "Yours, " .. event.json.id}
end
