-- email.lua - the service "emails": the confirmation of a sold seat, and mails for anyone.
--
-- zing.mail hands a mail to the server at vars.smtp_url. A server that says "later" (4xx) or cannot
-- be reached makes it a retry; one that says "never" (5xx) makes it a dead letter, which waits there
-- until someone has looked at it.

local emails = {}

-- ---- booking/sold ---------------------------------------------------------------------------------

-- Digits behind the point, for the currencies that do not have two (ISO 4217).
local digits = {
  BIF = 0, CLP = 0, DJF = 0, GNF = 0, ISK = 0, JPY = 0, KMF = 0, KRW = 0, PYG = 0, RWF = 0, UGX = 0,
  VND = 0, VUV = 0, XAF = 0, XOF = 0, XPF = 0,
  BHD = 3, IQD = 3, JOD = 3, KWD = 3, LYD = 3, OMR = 3, TND = 3,
}

-- 4200, "eur" -> "42.00 EUR". Whole numbers all the way: money is not a float.
local function money(amount, currency)
  currency = currency:upper()
  local places = digits[currency] or 2
  if places == 0 then
    return ("%d %s"):format(amount, currency)
  end
  local unit = places == 3 and 1000 or 100
  return ("%d.%0" .. places .. "d %s"):format(amount // unit, amount % unit, currency)
end

local ticket = [[
Hello %s,

seat %s is yours.

  Concert:  %s
  Seat:     %s
  Price:    %s
  Booking:  %s
  Payment:  %s

See you there.
]]

emails["booking/sold"] = function(event)
  local sale = event.json
  zing.mail {
    to = sale.email,
    subject = "Your ticket: seat " .. sale.seat,
    text = ticket:format(sale.user, sale.seat, sale.event_id, sale.seat,
      money(sale.amount, sale.currency), sale.booking_id, sale.charge_id),
  }
end

-- ---- email/send -----------------------------------------------------------------------------------

-- The field as a text, or nil when it is not given. Anything else cannot be sent.
local function text_of(mail, name)
  local value = mail[name]
  if value == nil or value == zing.json.null then
    return nil
  end
  if type(value) ~= "string" then
    zing.reject(name .. " must be a text")
  end
  return value
end

local function needed(mail, name)
  local value = text_of(mail, name)
  if not value or value == "" then
    zing.reject(name .. " is missing")
  end
  return value
end

emails["email/send"] = function(event)
  local mail = event.json
  if type(mail) ~= "table" then
    zing.reject("a mail is an object with to, subject and text or html")
  end
  local to = needed(mail, "to")
  if not to:find("@", 1, true) then
    zing.reject("to is not an address: " .. to)
  end
  zing.mail {
    to = to,
    subject = needed(mail, "subject"),
    text = text_of(mail, "text"),
    html = text_of(mail, "html"),
    from = text_of(mail, "from"), -- nil: vars.mail_from
  }
end

return emails
