--- a_time_out_is_charged_to_its_service
return {['#'] = function(e) zing.http.get('http://h/') end,
        on_dead = function(e) zing.publish('hungry', e.payload) end}
