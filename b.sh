timeout 500 /tmp/m6/multi6 bench failover --fault $1 --mode $2 --rtt $3 --profile fast --runs $4 --out /tmp/m6/pp 2>&1 | grep -E "^ +(bulk|rr|pp|udp|mode)  |control"; python3 - <<'P'
import json
d=json.load(open('/tmp/m6/pp/failover.json'))
for g in d['groups']:
  for c in g['cells']:
      print(c['mode'],c['fault'],[(round(r['stall_ms']),round(r['from_ms']),r['tcp_retransmits'],r['resent'],r['false_alarms'],round(r.get('lost_ms',0))) for r in c['runs']])
P
