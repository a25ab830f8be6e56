-- email_test.lua - the tests of the service "emails".

local t = test.handler("emails")

local sale = {
  booking_id = "b-1", event_id = "jazz", seat = "A1", user = "Åda", email = "ada@example.org",
  amount = 4200, currency = "eur", charge_id = "ch_1",
}

test("whoever bought a seat gets a ticket", function()
  t:send("booking/sold", sale)
  local mail = t:mailed("ada@example.org")
  test.equal(mail.subject, "Your ticket: seat A1")
  assert(mail.text:find("Hello Åda", 1, true) and mail.text:find("42.00 EUR", 1, true), mail.text)
end)

test("a ticket is tried for longer than a mail server greylists", function()
  t:mail({status = 451, body = "4.7.1 greylisted"}, {status = 250})
  t:send("booking/sold", sale)
  t:advance("10m")
  t:mailed("ada@example.org") -- refused for now
  t:mailed("ada@example.org")
  t:no_dead_letter()
end)

test("a mail that is refused for good waits for a person", function()
  t:mail({status = 550, body = "5.1.1 no such user"})
  t:send("email/send", {to = "nobody@example.org", subject = "Hello", text = "..."})
  t:dead_letter("no such user")
end)

test("a mail without a subject is not sent", function()
  t:send("email/send", {to = "ada@example.org", text = "..."})
  t:dead_letter("subject is missing")
  t:not_mailed()
end)

test("a mail in HTML and text has both", function()
  t:send("email/send", {to = "ada@example.org", subject = "Grüße", text = "hello", html = "<p>hello"})
  local mail = t:mailed("ada@example.org")
  test.equal(mail.subject, "Grüße")
  test.equal(mail.text:match("^hello"), "hello")
end)
