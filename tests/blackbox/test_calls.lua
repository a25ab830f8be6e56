--- charge_script
return function(event)
  local answer = zing.http.post(zing.config.gateway_url .. '/v1/charges',
    {form = {amount = 100, currency = 'eur', source = 'tok'}})
  if answer.status >= 500 then error('the gateway answers ' .. answer.status) end
  zing.publish('out', {status = answer.status, id = answer.json().id})
end

--- mail_is_delivered_or_tried_again_or_dead
return function(event)
  zing.mail{to = event.payload, from = 'us@example.org',
            subject = 'hello', text = 'world'}
end
