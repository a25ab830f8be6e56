/*
 * limits.h - every fixed limit of the program, with its unit and its reason.
 *
 * Values that a user may want to change are options in topics.conf; the limits here protect the
 * program from its input. docs/limits.md repeats this table for readers.
 */
#ifndef ZINGQ_BASE_LIMITS_H
#define ZINGQ_BASE_LIMITS_H

enum {
    PARTITIONS = 64,  /* hash(service, key) mod this; part of the stored format, never changes */
    EVENT_GROUPS = 8, /* groups of partitions whose events are stored together; the same */

    NAME_BYTES_MAX = 64, /* name of a service, lock or policy: it is part of topics and keys */
    KEY_BYTES_MAX = 256, /* an ordering key: LMDB keys end at 511 bytes and hold names, too */
    STATE_NAME_BYTES_MAX = 160, /* a state or lock name: with the key it fits an LMDB key */
    TOPIC_BYTES_MAX = 65535,    /* MQTT 5, 1.5.4: a UTF-8 string */
    PROPERTIES_MAX = 64,        /* user properties of one message: more is abuse */
    HOPS_MAX = 32, /* length of a chain of events that cause one another: beyond it is a loop */

    SERVICES_MAX = 256,      /* services in one topics.conf; each is a few KB */
    FILTERS_MAX = 64,        /* topic filters of one service */
    BROKERS_MAX = 8,         /* addresses in broker.url, tried in turn */
    VARS_MAX = 256,          /* entries of vars{} */
    ENDPOINTS_MAX = 256,     /* endpoints in one topics.conf */
    TOKENS_MAX = 64,         /* tokens in one topics.conf */
    DATABASES_MAX = 16,      /* databases in one topics.conf */
    DATABASE_POOL_MAX = 256, /* connections to one database: each is a process there */
    PG_LOOK_UPS_MAX = 64, /* names of databases looked up at once, each on a thread: more statements
                             wait for it; an address needs none */
    TOKEN_BYTES_MIN = 16, /* a shorter one can be guessed: refused beyond loopback */
    SCHEDULES_MAX = 256,  /* schedules in one topics.conf */
    PUBLISH_AFTER_DAYS_MAX = 3650, /* how far ahead an operator may delay a publish */
    CRON_YEARS_MAX = 40,      /* years searched for a tick: they have every weekday and leap day */
    CLOCK_LOOK_MS = 1000,     /* a step of the wall clock is noticed within this time */
    SCHEDULE_LATE_MS = 60000, /* a tick later than this counts as missed: cron counts in minutes */
    CRON_BACK_MS = 10800000,  /* ticks further ahead than this came from a wrong clock */
    CONF_BYTES_MAX = 1 << 20, /* topics.conf; also a file with a secret */
    RULE_BYTES_MAX = 256,     /* a key rule as written, "json:/pointer" */
    RULE_LEVEL_MAX = 128,     /* the deepest topic level a key rule may name */

    SECRETS_MAX = 4,    /* of hosts.secret, one that marks and earlier ones that are believed;
                                 of an endpoint */
    STRANGERS_MAX = 16, /* presences without a valid mark that status names */
    MEMBERS_MAX = 256,  /* hosts known by their presence; one that is gone makes room */
    PRESENCE_BYTES_MAX = 256 << 10, /* one presence: SERVICES_MAX services with long rules fit */
    MEMBERS_BYTES_MAX = 16 << 20,   /* all presences together */
    HOST_NAME_BYTES_MAX = 256,      /* a host's name in its topics: a client id */
    CLIENT_ID_BYTES_MAX = 255,      /* another host's client id: what a CONNECT here can carry */
    STAND_IN_MS = 15000,            /* a host away for this long is stood in for */
    STAND_IN_LOST_MS = 15000,       /* delay after a lost stand-in connection, */
    STAND_IN_AGAIN_MS = 60000, /* and after a refusal, or when another client has the session; */
    STAND_IN_AGAIN_MS_MAX = 600000, /* each doubles up to this, */
    STAND_IN_TAKEN_MS_MAX =
        3600000, /* or to this after one that stood in: most likely the host is back, though not every broker tells */

    READER_OLD_MS = 60000, /* a process that holds a read transaction longer is named in the log */
    STORE_WALK_BYTES_MAX = 1 << 30, /* store files up to this are checked page by page at open;
                                       of larger ones only the length, unless they are short; */
    STORE_WALK_LOOK_BYTES_MAX = 64 << 20, /* by commands that only look: a tenth of a second */
    STORE_GROWTH_MAX = 2,   /* times store.max_size: a file whose free pages are scattered */
    SPACE_WORDS_MAX = 2048, /* the sentence about what fills the store and what helps */

    MEMORY_PARTS = 12,           /* of limits.memory: a use is sure of one, Lua of two */
    MEMORY_OWN_BYTES = 16 << 20, /* of limits.memory, for the host itself, or a quarter if less */
    MEMORY_AGAIN_MS = 20,        /* what waits for memory looks again after this */
    LACK_WAIT_MS = 5000,         /* so long turns fail for a service whose last try lacks memory, */
    LACK_WAIT_EVERY_MS = 60000,  /* in this time, times the services: it may never be there */

    LINGER_MS_MIN = 2,  /* store.linger = "auto": between two turns of a busy host, */
    LINGER_MS_MAX = 50, /* as long as the disk takes for a commit */

    TURN_EVENTS_MAX = 2048,    /* events decided in a turn: bounds its memory and duration */
    TURN_BYTES_MAX = 16 << 20, /* bytes of events accepted in a turn */
    TURN_MS_MAX = 15,          /* time spent running handlers before the commit is due, or */
    TURN_MS_LONG = 60,         /* as long as commits take, up to this */
    INTAKE_MIN = 64, /* messages a turn may take however long handlers run: about 1 ms of work */
    LANE_QUANTUM_US = 5000,     /* processor time by which one key may be ahead of the others */
    LANE_DEBT_US_MAX = 1000000, /* largest debt held against a key */
    LANE_DEBTS_MAX = 1024,  /* debts remembered for keys without a lane; the smallest goes first */
    KEYS_IDLE_MAX = 65536,  /* keys without events remembered for their limits; others start anew */
    LANES_LIGHT_MAX = 4096, /* keys of a service remembered for a short run: they go first */
    DEBT_QUIET_MS = 5,      /* time without a message after which a lane in debt may run, */
    DEBT_WAIT_PARTS = 4,    /* or this fraction (1/n) of the last long run, */
    DEBT_WAIT_MS_MAX = 50,  /* but no longer than this */
    CAREFUL_EVENTS = 1024,  /* run one per turn when the culprit of a crash is unknown */
    DEAD_PAYLOAD_BYTES_MAX = 64 << 10, /* kept of a payload that never reached a handler, and of
                                          its properties */
    REFUSED_PARTS = 10,                /* of the store: all such dead letters of one service */
    FILES_PARTS = 4,                   /* of the store: the files of zing.append of one service */
    STATE_PARTS = 4,      /* of the store: state and locks; see engine/kept.h, as the next ones */
    PUBLISHES_PARTS = 8,  /* publishes that wait for the broker */
    SIGNALS_PARTS = 10,   /* signals that nobody has taken */
    DELAYED_PARTS = 16,   /* publishes that wait for their time */
    LETTERS_PARTS = 16,   /* letters of zing.dead_letter */
    PRIORITY_DEFAULT = 4, /* of an event that asks for none; 0 to 9 as in JMS and AMQP 1.0 */
    PRIORITY_WAIT_MS = 30000, /* how long a priority may wait for higher ones; from then on */
    PRIORITY_STARTS = 10,     /* one start of so many goes, in turn, to those that waited so long */
    LANE_QUEUE_MAX = 1024,    /* events of one lane kept in memory; the rest wait on disk */
    LANE_QUEUE_FEW = 16,   /* the same while the service's window stays full: room for other keys */
    WINDOW_STUCK_MS = 100, /* how long the window must have been full for that */
    SERVICE_WINDOW_MAX =
        4096, /* events of one service in memory; of a higher priority, as many more */
    MOVE_ROWS_PER_TURN = 512, /* rows that a service takes over in a turn */
    TRIM_ROWS_PER_TURN = 512, /* rows examined by retention in a turn */

    EFFECTS_MAX = 10000,          /* effects of one invocation */
    EFFECTS_BYTES_MAX = 32 << 20, /* total size of these effects */
    VALUE_BYTES_MAX = 1 << 20,    /* one state value */
    ERROR_BYTES_MAX = 4096,       /* an error with its traceback, kept in the history */
    ROUNDS_BYTES_MAX = 64 << 10,  /* publishes of earlier rounds kept when an event is replayed */
    BATCH_MAX = 1000,             /* events per invocation: its effects are bounded, too */
    BATCH_BYTES_MAX = 16 << 20,   /* total size of their payloads: beyond it the batch is full */
    STORE_FINDINGS_MAX = 10000,   /* findings that `doctor --store` prints; more are only counted */
    BROKEN_ROWS_MAX = 1024,       /* undecodable records remembered until they are set aside */
    HISTORY_MAX = 100,            /* failed attempts kept for one event; the oldest go first */
    LUA_HOOK_INSTRUCTIONS = 1000, /* Lua instructions between two checks of the clock */
    HANGS_MAX = 6, /* aborts over runs of one service, within an hour or two; then it is paused */
    WATCHDOG_LUA_TIMES = 10,   /* times limits.lua_time after which the watchdog ends a run, */
    WATCHDOG_MS_MIN = 2000,    /* but at least this much processor time */
    WATCHDOG_ABORT_FACTOR = 3, /* at this many times that limit the process is aborted */
    LUA_RENEW_PARTS = 20,      /* of the time, for new Lua states of a service that fills them */
    LUA_SMALL_BYTES = 1 << 20, /* a Lua state of this size runs whatever is left of limits.memory */
    LOG_LINES_MAX = 1000,      /* log lines that one attempt may write */
    LOG_SECOND_BYTES_MAX = 1 << 20, /* log output of one service's handlers per second; also that
                                       about its dead letters */
    SCRIPT_BYTES_MAX = 4 << 20,     /* one script file */
    JSON_DEPTH_MAX = 128,           /* nesting of JSON that a handler sends */
    JSON_READ_DEPTH_MAX = 2048,     /* nesting of JSON that is read; a multiple of 64 */

    SPANS_TURN_BYTES_MAX = 4 << 20,      /* spans of one turn; more are dropped */
    SPANS_KEPT_BYTES = 256 << 10,        /* of that room, what is kept for the next turn */
    SPANS_ATTEMPT_BYTES_MAX = 256 << 10, /* spans of the calls and steps of one attempt */
    SPANS_QUEUE_BYTES_MAX = 16 << 20,    /* spans that wait for the receiver */
    SPANS_BATCH_BYTES = 256 << 10,       /* in one request, unless one turn has more */
    SPANS_DELAY_MS = 1000,               /* until a batch that is not full is sent */
    SPANS_TIMEOUT_MS = 10000,            /* of one request: the default of OpenTelemetry */
    SPANS_RETRY_MS_MIN = 1000,           /* until a batch is sent again; doubles each time */
    SPANS_RETRY_MS_MAX = 60000,          /* longest delay: a receiver that returns is found soon */
    SPANS_GOODBYE_MS = 1000,             /* for the last ones when the host stops */

    STORED_DELAY_MS = 5000,      /* until an event may run whose service takes over another one */
    TIMERS_PER_TURN = 1024,      /* timers that fire in a turn, per clock */
    WINDOW_FULL_DELAY_MS = 1000, /* delay of a due event while its service's window is full */
    ACKED_DELAY_MS = 20,     /* acknowledged outbox rows wait this long to be deleted together */
    OUTBOX_QUEUE_MAX = 4096, /* publishes kept in memory; the rest wait on disk */
    MQTT_PACKET_ROOM_BYTES = 64 << 10, /* of a packet, besides limits.payload: topic, properties */
    MQTT_PACKET_BYTES_LEAST = 4 << 20, /* smallest Maximum Packet Size that we announce */
    MQTT_PACKET_BYTES_MAX = 268435460, /* MQTT 5, 1.5.5 and 2.1.4: no packet is larger */
    MQTT_FRAME_READ_BYTES = 64 << 10,  /* read from a broker at a time */
    MQTT_FRAME_HEAD_BYTES = 256 << 10, /* examined of a PUBLISH that is larger than announced */
    MQTT_CONNECT_MS = 10000, /* name lookup and TCP of one attempt; the same again until CONNACK */
    MQTT_ADDRESS_MS = 5000,  /* of that, for one address of a name; then the next address */
    MQTT_ALERT_MS = 100, /* silence after a TLS handshake in which a refusal would have arrived */
    MQTT_BACKOFF_MS_MIN = 250,       /* first delay before reconnecting; doubles each time */
    MQTT_BACKOFF_MS_MAX = 30000,     /* longest delay: a broker that returns is found soon */
    MQTT_TAKEN_OVER_MS_MAX = 300000, /* the same while another client uses our client id */
    MQTT_ANSWER_S = 60,      /* a PUBACK, SUBACK or UNSUBACK later than this ends the connection */
    MQTT_PACKET_IDS = 65536, /* MQTT packet identifiers are 16 bits */
    MQTT_PACKET_IDS_AHEAD = 500, /* upcoming ids that must be free: reconnect before one is not */
    MQTT_KEEPALIVE_S = 30,       /* the broker drops us after 1.5 times this */
    MQTT_GOODBYE_MS = 1000,      /* for writing the DISCONNECT and for the broker to close */
    MQTT_PROPERTY_BYTES_MAX = 16 << 20, /* PROPERTIES_MAX + 1 pairs of the longest strings fit */

    FORWARD_MESSAGE_BYTES = 64 << 10, /* events in one message to another host, or one event */
    FORWARD_ROOM_BYTES = 1024,        /* added to an event on its way: names, lengths */
    FORWARD_PACKET_ROOM_BYTES = 256,  /* added to a packet: header and topic */
    FORWARD_WINDOW = 8,               /* messages to one host without a receipt */
    FORWARD_WINDOW_BYTES = 1 << 20,   /* total size of them, or a single larger one */
    FORWARD_PAUSE_MS = 20,            /* after a send that the connection did not accept */
    FORWARD_AGAIN_MS = 1000,          /* a message without a receipt is sent again after this, */
    FORWARD_AGAIN_MS_MAX = 30000,     /* doubled each time up to this */
    FORWARD_ROWS_PER_TURN = 8192,     /* receipted rows deleted in a turn */

    OUTBOX_RETRY_MS = 300000, /* longest interval between tries of a refused publish, from 5 s up */
    OUTBOX_WINDOW_MAX = 256,  /* publishes sent and not yet acknowledged */
    CALL_BYTES_MAX = 16 << 20, /* one HTTP response */
    CALL_OWN_BYTES = 32 << 10, /* counted for a call in progress: curl's buffers, a short answer */
    CALLS_MAX = 10000,         /* HTTP and SMTP calls in progress; and as many SQL ones */
    SQL_BYTES_MAX = 8 << 20,   /* one statement with its parameters; one result */
    SQL_PARAMS_MAX = 1000,     /* parameters of one statement */
    SQL_ADDRESSES_MAX = 16,    /* addresses tried for one connection to a database */
    RELOAD_CALLS_MS = 3000, /* calls in progress may end before another topics.conf is taken over */
    CALLS_IDLE_MAX = 256, /* idle HTTP connections kept, or an eighth of the descriptors if less */
    CALL_DESCRIPTORS = 4, /* with fewer descriptors left, a call that cannot start is put off */
    CALL_AGAIN_MS = 250,  /* and tried again after this */
    CALL_HEADERS_MAX = 256,      /* headers or recipients of one call */
    MAIL_SESSIONS_MAX = 32,      /* SMTP connections open at once: servers refuse more */
    MAIL_LINE_BYTES_MAX = 4096,  /* one reply line of an SMTP server: RFC 5321 says 512 */
    MAIL_REPLY_LINES_MAX = 128,  /* lines of one SMTP reply: a longer one ends the connection */
    MAIL_READ_BYTES_MAX = 65536, /* read from an SMTP server at a time; more ends it, too */
    MAIL_IDLE_MS = 10000,        /* an SMTP connection with nothing to send is closed */

    OUTBOX_SOON_MS_MAX = 60000, /* after "quota exceeded" and the like: from 1 s up to this */
    OUTBOX_BLOCKED_MAX = 10000, /* rows refused, or held behind a refused one of their key */
    OUTBOX_BLOCKED_BYTES_MAX = 64 << 20, /* their size; past either limit the oldest is discarded */
    OUTBOX_TOPICS_MAX = 256, /* refused topics remembered: their rows are not even tried */

    RAMP_MAX = 256,                /* invocations at once from which on a throttle is over */
    RETRY_AFTER_MS_MAX = 86400000, /* a Retry-After that asks for more is cut to this: 24 h */
    CALLS_NOTED_MAX = 64,          /* calls noted for one event; beyond it the oldest is dropped */
    NOTES_BYTES_MAX = 1 << 16,     /* what a command says beside its result: the rest is cut */
    STEPS_SHOWN_MAX = 1000,        /* steps of one event shown in one response */
    SIGNALS_MAX = 1000,   /* kept under one service, key and name that no event waits for or could
                             take; the next is a dead letter */
    WAIT_ALL_MAX = 10000, /* signals of one zing.wait_all */

    DEDUPE_BUCKETS = 9, /* buckets of idempotency keys: 8 cover the period, 1 is being filled */
    RECENT_TABLES = 2,  /* tables of idempotency keys noted lately: one is filled, one emptied */
    RECENT_KEYS_MAX = 65536,  /* keys in each, found by an index in memory */
    FILTER_ROWS = 2048,       /* read into their filter in a turn: half a millisecond */
    FILTER_ROWS_IDLE = 8192,  /* the same in a turn that does nothing else: two milliseconds */
    DEDUPE_SECRETS_MAX = 128, /* secrets of other stores, which a reshard brought; they expire */

    APPEND_LINES_MAX = 4096,     /* lines of zing.append in memory; the rest wait on disk */
    APPEND_BYTES_MAX = 16 << 20, /* total size of them */
    APPEND_PASS_ROWS = 4096,     /* lines on disk examined in a turn */
    APPEND_RETRY_MS_MIN = 1000,  /* first delay before a failed file is tried again, */
    APPEND_RETRY_MS_MAX = 60000, /* doubled each time up to this */

    GATEWAY_CONNECTIONS_MAX = 4096, /* per door, or its share of the descriptors if that is less */
    GATEWAY_HANDSHAKES_US = 25000,  /* of TLS, in one turn: those beyond are refused */
    GATEWAY_HEAD_BYTES =
        32 << 10,             /* of a request's head; connections have a quarter of limits.memory */
    GATEWAY_SPARES = 16,      /* beyond them, where only what is vital is answered */
    GATEWAY_CLIENT_PARTS = 4, /* one address has at most this part of them */
    GATEWAY_CONNECTIONS_LEAST = 2, /* even if there are few descriptors */
    GATEWAY_ACCEPTS_MAX = 16,      /* connections accepted in one wake-up */
    GATEWAY_PAUSE_MS_MIN = 50,     /* pause when no connection can be accepted; doubles each time */
    GATEWAY_PAUSE_MS_MAX = 2000,   /* longest pause, so that a door opens again soon */
    GATEWAY_SPARE_MS = 1000,       /* a client idle for this long is closed when places run out */
    GATEWAY_IDLE_S = 30,           /* a connection without traffic is closed after this */
    GATEWAY_REQUEST_S = 60,        /* for a whole request, however slowly it arrives */
    GATEWAY_DISCARD_BYTES_MAX = 32 << 20, /* read beyond a body's limit so that the 413 is seen */
    GATEWAY_BODY_BYTES_MAX = 8 << 20,     /* a request body; an endpoint's own limit applies, too */
    ONCE_BYTES_MAX = 255,                 /* an Idempotency-Key */
    GATEWAY_OPEN_PARTS = 4, /* of limits.memory: bodies to open endpoints have this part at most */
    GATEWAY_STREAM_BYTES_MAX = 1 << 20, /* buffered for a slow reader, which is then dropped */
    GATEWAY_STREAM_BLOCK_BYTES = 16384, /* of a stream, passed to its connection at a time */

    ASK_ANSWER_MS = 5000,       /* for another host to answer a request */
    ASKS_MAX = 256,             /* requests to other hosts in progress */
    ASKS_OF_HANDLERS_MAX = 192, /* of them from handlers; more wait, which leaves room for people */
    ASKED_MAX = 1024,           /* requests of other hosts being answered; more get a 503 */
    FOLLOW_QUESTIONS_MAX = 64,  /* questions to other hosts about one event's publishes */
    ASK_PAIRS_MAX = 128,        /* pairs of a query or of headers: PROPERTIES_MAX and some more */
    ASK_WAITING_BYTES_MAX = 64 << 20, /* requests without an answer, and answers not sent yet */
    ASK_SEEN_MAX =
        4096,           /* requests remembered, lest they be repeated; then all need a new ticket */
    ASK_SENDS_MAX = 3,  /* of one request, if the host that is asked has new tickets meanwhile */
    ASK_BEATEN_MAX = 2, /* connections lost in a row over these topics, before a pause */
    ASK_REST_MS = 300000, /* length of that pause, in which requests of other hosts are not read */

    READINGS_MAX = 64,           /* requests being answered from the store at once */
    READING_US_MAX = 2000,       /* time spent reading between two turns */
    READING_PART_MS = 2000,      /* of the list of all hosts: after it the part ends, cut */
    READING_ROWS_MAX = 100000,   /* rows examined for one response; a longer search is paged */
    KEYS_COUNTED_MAX = 10000,    /* rows looked at to say how many more keys wait */
    ID_ROWS_MAX = 5000000,       /* rows examined for the last digits of an id */
    READING_BYTES_MAX = 2 << 20, /* size of a response; beyond it the next page begins */
    READING_ITEMS_MAX = 1000,    /* events, dead letters, keys... in one response */
    TRACE_BYTES_MAX = 1 << 20,   /* events in one trace that a host answers: it is sent whole */
    JOBS_MAX = 16,               /* bulk replays and discards, including ended ones */
    JOB_LETTERS_MAX = 1000000,   /* dead letters or events of one bulk job: 40 bytes each */
    JOB_COMMANDS_MAX = 16, /* commands of a bulk job in one turn, whose commit others wait for */
    JOB_HOLD_MS = 100,     /* delay of a replay while the backlog has no room */
    LIVE_CLIENTS_MAX = 32, /* clients of /api/live */
    AUDIT_BYTES_MAX = 8 << 20,             /* of changes by operators in one file; there are two */
    AUDIT_TAIL_BYTES = 128 << 10,          /* of them, read for the dashboard */
    HISTORY_SERIES_MAX = SERVICES_MAX + 2, /* charts kept: 51 KiB each, in memory and on disk */
    HISTORY_TREND_STEPS = 60,    /* of 5 s, from which it is foreseen when something runs out */
    FORECAST_S_MAX = 30 * 86400, /* what is further away than this is not foreseen */
    VERDICT_ATTEMPTS = 10,       /* in a minute; of fewer, the share that failed says nothing */
    LOGIN_TRIES = 10,            /* wrong tokens an address has before it must wait */
    LOGIN_TRY_MS = 1000,         /* and one more each second */
    BRAKE_ADDRESSES_MAX = 256,   /* of which wrong tokens are remembered */
    LOGIN_BYTES_MAX = 8 << 10,   /* of a body that somebody without a token may send */
    SESSIONS_MAX = 64,           /* dashboard sessions at once; the oldest ends first */
};

#endif
