return function(event)
  zing.step("book", function()
    zing.http.post(zing.config.gateway .. "/v1/entries", {json = {amount = event.json.amount}})
  end)
  zing.mail {to = "books@example.org", from = "shop@example.org", subject = "Sold " .. event.json.id, text = "."}
  zing.append("sold.log", event.json.id)
end
