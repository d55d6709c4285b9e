"""Everything on Kafka except Faust: bytes in, bytes out.

Import from the modules: `queue.WorkQueue` for long work, `consumer.EventConsumer` for short handlers,
`compacted.CompactedReader` to follow a topic without a group, `producer.Producer` to send.
aiokafka is imported nowhere else; librdkafka's in-process broker only in `embedded`.
"""
