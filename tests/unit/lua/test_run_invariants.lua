--- ASKS
zing.http.get('http://a/')
error(string.rep('x', 100000))
