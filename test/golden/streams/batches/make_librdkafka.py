"""The same records through librdkafka (PyPI: confluent-kafka 2.11.1).

usage: make_librdkafka.py BROKER CODEC   (produces one batch to the topic CODEC; the files are what a fetch of that topic gave)
"""
import sys
from confluent_kafka import Producer
p = Producer({'bootstrap.servers': sys.argv[1], 'compression.type': sys.argv[2], 'linger.ms': 2000, 'acks': 'all', 'batch.num.messages': 400})
for i in range(400):
    value = ('{"id":"request-%d","amount":%d,"text":"%s"}' % (i, i * 37 % 101, 'lorem ipsum dolor ' * (i % 9))).encode()
    p.produce(sys.argv[2], value, ('key-%d' % (i % 7)).encode(), partition=0, timestamp=1700000000000 + i * 1000, headers=[('n', str(i).encode())])
print('left', p.flush(20))
