/*
 * limits.h - every fixed limit of the program, with its unit and its reason.
 *
 * What a user may want to change is an option in topics.conf; what stands here protects the
 * program from its input. docs/limits.md repeats this table for readers.
 */
#ifndef ZINGQ_BASE_LIMITS_H
#define ZINGQ_BASE_LIMITS_H

enum {
    PARTITIONS = 64, /* hash(service, key) mod this; part of the stored format, never changes */

    NAME_BYTES_MAX = 64, /* a service's, lock's policy's name: it stands in topics and keys */
    KEY_BYTES_MAX = 256, /* an ordering key: LMDB keys end at 511 bytes, names share them */
    STATE_NAME_BYTES_MAX = 160, /* a state or lock name: with the key it fits an LMDB key */
    TOPIC_BYTES_MAX = 65535,    /* MQTT 5, 1.5.4: a UTF-8 string */
    PROPERTIES_MAX = 64,        /* user properties on one message: more is abuse */
    HOPS_MAX = 32,              /* events caused by events: past this it is a loop */

    SERVICES_MAX = 256,       /* services in one topics.conf; each is a few KB */
    FILTERS_MAX = 64,         /* topic filters of one service */
    BROKERS_MAX = 8,          /* of broker.url, tried in turn */
    VARS_MAX = 256,           /* entries of vars{} */
    ENDPOINTS_MAX = 256,      /* endpoints in one topics.conf */
    SCHEDULES_MAX = 256,      /* schedules in one topics.conf */
    CRON_YEARS_MAX = 40,      /* within them every kind of year comes, weekday and leap day */
    CLOCK_LOOK_MS = 1000,     /* how late a step of the wall clock is seen at most */
    SCHEDULE_LATE_MS = 60000, /* a tick later than that was missed: cron counts in minutes */
    CRON_BACK_MS = 10800000,  /* ticks further ahead than that were of a wrong clock */
    CONF_BYTES_MAX = 1 << 20, /* topics.conf; also a file with a secret */
    RULE_BYTES_MAX = 256,     /* a key rule as written, "json:/pointer" */
    RULE_LEVEL_MAX = 128,     /* the deepest topic level a key rule may name */

    MEMBERS_MAX = 256,              /* hosts known by their presence; one that is gone makes room */
    PRESENCE_BYTES_MAX = 256 << 10, /* one presence: SERVICES_MAX services with long rules fit */
    MEMBERS_BYTES_MAX = 16 << 20,   /* of all of them */
    HOST_NAME_BYTES_MAX = 256,      /* a host's name in its topics: a client id */
    CLIENT_ID_BYTES_MAX = 255,      /* of another host: what a CONNECT here may have */
    STAND_IN_MS = 15000,            /* a host away for so long is stood in for */
    STAND_IN_LOST_MS = 15000,       /* after a lost connection in its place: the next try, */
    STAND_IN_AGAIN_MS = 60000,      /* after a refusal, or when somebody else has it, */
    STAND_IN_AGAIN_MS_MAX = 3600000, /* each twice as late every time, up to this */

    READER_OLD_MS = 60000, /* a process that reads one state of the store longer is named */
    STORE_WALK_BYTES_MAX = 1 << 30, /* a store file up to this is looked through, page by page, at
                                       open; of a larger one only its length, unless it is short */
    SPACE_WORDS_MAX = 2048,         /* what fills the store, and what helps: a sentence */

    TURN_EVENTS_MAX = 2048,    /* events decided in a turn: bounds its memory and its length */
    TURN_BYTES_MAX = 16 << 20, /* bytes of events accepted in a turn */
    TURN_MS_MAX = 15,          /* time running handlers, before the commit is due */
    INTAKE_MIN = 64,        /* messages a turn may take however long handlers run: a ms of work */
    LANE_QUANTUM_US = 5000, /* processor time a key may be ahead of the others by */
    LANE_DEBT_US_MAX = 1000000, /* and what is held against it: later it counts as others do */
    LANE_DEBTS_MAX = 1024,      /* debts of keys without a lane; the smallest goes first */
    LANES_LIGHT_MAX = 4096,     /* keys of a service remembered for a short run: they go first */
    DEBT_QUIET_MS = 5,          /* without a message: then nobody is on its way, who owes may run */
    DEBT_WAIT_PARTS = 4,        /* or after this part of what the last long run took */
    DEBT_WAIT_MS_MAX = 50,      /* at most */
    CAREFUL_EVENTS = 1024,      /* run one a turn when nobody knows who took the host down */
    DEAD_PAYLOAD_BYTES_MAX = 4 << 20, /* kept of a payload past limits.payload; or that limit */
    LANE_QUEUE_MAX = 1024,            /* events of one lane kept in memory, the rest wait on disk */
    LANE_QUEUE_FEW = 16,   /* the same while the service's window stays full: room for other keys */
    WINDOW_STUCK_MS = 100, /* how long it must have been full for that */
    SERVICE_WINDOW_MAX = 4096, /* events of one service kept in memory */
    TRIM_ROWS_PER_TURN = 512,  /* rows retention looks at in a turn */

    EFFECTS_MAX = 10000,          /* effects of one invocation */
    EFFECTS_BYTES_MAX = 32 << 20, /* bytes of them */
    VALUE_BYTES_MAX = 1 << 20,    /* one state value */
    ERROR_BYTES_MAX = 4096,       /* an error with its traceback, kept in the history */
    ROUNDS_BYTES_MAX = 64 << 10,  /* publishes of earlier rounds kept when an event is replayed */
    BATCH_MAX = 1000,             /* events one invocation may get: its effects have bounds, too */
    BATCH_BYTES_MAX = 16 << 20,   /* bytes of their payloads: past it the batch is full */
    STORE_FINDINGS_MAX = 10000,   /* of `doctor --store` that are told; more are counted */
    BROKEN_ROWS_MAX = 1024,       /* records that do not decode, noted until they are set aside */
    HISTORY_MAX = 100,            /* failed attempts kept for one event; the oldest go first */
    LUA_HOOK_INSTRUCTIONS = 1000, /* between two looks at the clock */
    WATCHDOG_LUA_TIMES = 10,      /* limits.lua_time: past it the watchdog ends a run */
    WATCHDOG_MS_MIN = 2000,       /* of processor time, however short limits.lua_time is */
    WATCHDOG_ABORT_FACTOR = 3,    /* and past so many times that the process */
    SCRIPT_BYTES_MAX = 4 << 20,   /* one script file */
    JSON_DEPTH_MAX = 128,         /* nesting a handler may send; jansson itself stops at 2048 */

    TIMERS_PER_TURN = 1024,      /* timers that fire in a turn, by each clock */
    WINDOW_FULL_DELAY_MS = 1000, /* a due event whose service's window is full looks again */
    BODIES_BYTES_MAX = 16 << 20, /* bytes of waiting events kept in memory beside the disk */
    ACKED_DELAY_MS = 20,         /* acknowledged outbox rows wait this long for company */
    OUTBOX_QUEUE_MAX = 4096,     /* publishes kept in memory; the rest wait on disk */
    MQTT_PACKET_ROOM_BYTES =
        64 << 10, /* a packet may have beside limits.payload: topic, properties */
    MQTT_PACKET_BYTES_LEAST = 4 << 20, /* announced as the largest packet, if that sum is less */
    MQTT_PACKET_BYTES_MAX = 268435460, /* MQTT 5, 1.5.5 and 2.1.4: there is no larger packet */
    MQTT_FRAME_READ_BYTES = 64 << 10,  /* read from a broker at once */
    MQTT_FRAME_HEAD_BYTES = 256 << 10, /* looked at of a PUBLISH that is larger than we announced */
    MQTT_CONNECT_MS = 10000, /* one attempt: name lookup and TCP; then again until CONNACK */
    MQTT_ADDRESS_MS = 5000,  /* of it, one address of a name: then the next */
    MQTT_ALERT_MS = 100,     /* silence after a TLS handshake, in which a refusal would have come */
    MQTT_BACKOFF_MS_MIN = 250,   /* the first wait before a reconnect, doubled each time */
    MQTT_BACKOFF_MS_MAX = 30000, /* a broker that was away a day is found within half a minute */
    MQTT_TAKEN_OVER_MS_MAX = 300000, /* the same while another client uses our client id */
    MQTT_ANSWER_S = 60,              /* a PUBACK, SUBACK or UNSUBACK later than this: reconnect */
    MQTT_PACKET_IDS = 65536,         /* MQTT packet identifiers are 16 bits */
    MQTT_PACKET_IDS_AHEAD = 500, /* ids to come that must be free: reconnect before one is not */
    MQTT_KEEPALIVE_S = 30,       /* the broker gives us up after 1.5 times this */
    MQTT_GOODBYE_MS = 1000,      /* until the DISCONNECT is written and the broker has closed */
    MQTT_PROPERTY_BYTES_MAX = 16 << 20, /* PROPERTIES_MAX + 1 pairs of the longest strings fit */

    FORWARD_MESSAGE_BYTES = 64 << 10, /* events of one message to another host, or one larger */
    FORWARD_ROOM_BYTES = 1024,        /* of an event, beside what it came with: names, lengths */
    FORWARD_PACKET_ROOM_BYTES = 256,  /* of a packet: head and topic */
    FORWARD_WINDOW = 8,               /* messages to one host without a receipt */
    FORWARD_WINDOW_BYTES = 1 << 20,   /* bytes of them, or one larger */
    FORWARD_PAUSE_MS = 20,            /* after a send that the connection would not take */
    FORWARD_AGAIN_MS = 1000,          /* without a receipt one goes again, */
    FORWARD_AGAIN_MS_MAX = 30000,     /* twice as late each time, up to this */
    FORWARD_ROWS_PER_TURN = 8192,     /* receipted rows deleted in a turn */

    OUTBOX_RETRY_MS = 300000,  /* between two tries of a refused one, growing from 5 s */
    OUTBOX_WINDOW_MAX = 256,   /* publishes sent and not yet acknowledged */
    CALL_BYTES_MAX = 16 << 20, /* one HTTP answer */
    CALLS_MAX = 10000,         /* HTTP and SMTP calls under way */
    CALLS_IDLE_MAX = 256, /* idle HTTP connections kept, or an eighth of the descriptors if less */
    CALL_DESCRIPTORS = 4, /* fewer left: a call that could not be begun is put off */
    CALL_AGAIN_MS = 250,  /* and begun again after this */
    CALL_HEADERS_MAX = 256,      /* headers or recipients of one call */
    MAIL_SESSIONS_MAX = 32,      /* SMTP connections open at once: servers refuse more */
    MAIL_LINE_BYTES_MAX = 4096,  /* one reply line of an SMTP server: RFC 5321 says 512 */
    MAIL_REPLY_LINES_MAX = 128,  /* of one reply of an SMTP server */
    MAIL_READ_BYTES_MAX = 65536, /* read from an SMTP server at once: it is dropped past them */
    MAIL_IDLE_MS = 10000,        /* an SMTP connection with nothing to send is closed */

    OUTBOX_SOON_MS_MAX = 60000,          /* after "quota exceeded" and kin: 1 s, growing to this */
    OUTBOX_BLOCKED_MAX = 10000,          /* rows refused, or held behind one of their key */
    OUTBOX_BLOCKED_BYTES_MAX = 64 << 20, /* bytes of them; past either the oldest is discarded */
    OUTBOX_TOPICS_MAX = 256,             /* refused topics known: their rows are not even tried */

    CALLS_NOTED_MAX = 64,   /* of one event, in its record: past it the oldest is forgotten */
    STEPS_SHOWN_MAX = 1000, /* of one event, in one answer */
    SIGNALS_MAX = 1000,     /* waiting under one service, key and name; the next is a dead letter */

    DEDUPE_BUCKETS = 9, /* time buckets of idempotency keys: 8 make the period, 1 is being filled */
    DEDUPE_SECRETS_MAX = 128, /* of other stores whose keys a reshard brought; they expire */

    APPEND_LINES_MAX = 4096,     /* lines of zing.append in memory; the rest wait on disk */
    APPEND_BYTES_MAX = 16 << 20, /* bytes of them */
    APPEND_PASS_ROWS = 4096,     /* of those on disk, looked at in a turn */
    APPEND_RETRY_MS_MIN = 1000,  /* a file that cannot be written is tried again, */
    APPEND_RETRY_MS_MAX = 60000, /* twice as late each time, up to this */

    GATEWAY_CONNECTIONS_MAX = 4096,       /* of a door, or its share of the descriptors if less */
    GATEWAY_CONNECTIONS_LEAST = 2,        /* however few descriptors there are */
    GATEWAY_ACCEPTS_MAX = 16,             /* in one wake-up */
    GATEWAY_PAUSE_MS_MIN = 50,            /* when nobody can be accepted; doubled each time */
    GATEWAY_PAUSE_MS_MAX = 2000,          /* a door that was shut is open again this soon */
    GATEWAY_SPARE_MS = 1000,              /* idle that long, a client makes room when places lack */
    GATEWAY_IDLE_S = 30,                  /* a connection on which nothing moves is closed */
    GATEWAY_REQUEST_S = 60,               /* for a whole request, however it trickles in */
    GATEWAY_DISCARD_BYTES_MAX = 32 << 20, /* read past a body's limit so that the 413 is seen */
    GATEWAY_BODY_BYTES_MAX = 8 << 20,     /* a request body, before an endpoint's own limit */
    ONCE_BYTES_MAX = 255,                 /* an Idempotency-Key */
    GATEWAY_BODIES_MAX = 8, /* bodies of the largest size, or as much of smaller ones, at once */
    GATEWAY_STREAM_BYTES_MAX = 1 << 20, /* waiting for a slow reader of a stream: then it is out */
    GATEWAY_STREAM_BLOCK_BYTES = 16384, /* of a stream, handed to its connection at once */

    ASK_ANSWER_MS = 5000,       /* another host has so long to answer a request */
    ASKS_MAX = 256,             /* requests to other hosts under way */
    ASKS_OF_HANDLERS_MAX = 192, /* of them for handlers; more wait, and people find room */
    ASKED_MAX = 1024,           /* requests of other hosts being answered; more are told 503 */
    FOLLOW_QUESTIONS_MAX = 64,  /* about publishes of one event, to other hosts: then it is cut */
    ASK_PAIRS_MAX = 128, /* of a query, or of headers: PROPERTIES_MAX and what else there is */
    ASK_WAITING_BYTES_MAX = 64 << 20, /* of requests and of answers that have not left yet */
    ASK_BEATEN_MAX = 2,               /* connections lost over these topics in a row: then a rest */
    ASK_REST_MS = 300000,             /* of so long, in which nothing of other hosts is read */

    READINGS_MAX = 64,           /* requests being answered from the store at once */
    READING_US_MAX = 2000,       /* of reading between two turns */
    READING_ROWS_MAX = 500000,   /* rows looked at for one answer; a longer search has pages */
    READING_BYTES_MAX = 2 << 20, /* of an answer: past this it is a page */
    READING_ITEMS_MAX = 1000,    /* events, letters, keys... in one answer */
    TRACE_BYTES_MAX = 1 << 20,   /* of events in one trace that a host answers: it is one piece */
    BULKS_MAX = 16,              /* replays and discards of many letters, ended ones included */
    BULK_LETTERS_MAX = 1000000,  /* letters or events of one of them: 40 bytes each */
    BULK_COMMANDS_MAX = 32,      /* of them in one turn: each looks into every partition */
    BULK_HOLD_MS = 100,          /* a replay that may not fill the backlog further looks again */
    LIVE_CLIENTS_MAX = 32,       /* listeners of /api/live */
    SESSIONS_MAX = 64,           /* logins of the dashboard at once; the oldest goes first */
};

#endif
