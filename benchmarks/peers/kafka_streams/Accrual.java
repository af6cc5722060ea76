import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.HexFormat;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * One point for each whole dollar of a basket with Kafka Streams, as its developer guide teaches the Processor API: a
 * processor with a persistent store of its own, a sink for each topic, exactly_once_v2, defaults for the rest.
 *
 * It does much less than the engine: no program to read, no check of the contract, no lots, returns, tiers or
 * duplicates. Its ledger entries and balances have the fields of the engine's, with one step of explanation.
 */
public final class Accrual {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) {
        String bootstrap = arguments[0];
        String prefix = arguments[1];
        Meter meter = new Meter(Long.parseLong(arguments[4]), Path.of(arguments[5]));

        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, prefix + "streams");
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, Path.of(arguments[5], "state").toString());

        Topology topology = new Topology();
        topology.addSource(
                "purchases", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), prefix + "purchases");
        topology.addProcessor("accrue", () -> new Accrue(meter), "purchases");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(
                        Stores.persistentKeyValueStore("accounts"), Serdes.String(), Serdes.ByteArray()),
                "accrue");
        for (String word : new String[] {"ledger", "balances"}) {
            topology.addSink(
                    word, prefix + word, Serdes.String().serializer(), Serdes.ByteArray().serializer(), "accrue");
        }
        KafkaStreams streams = new KafkaStreams(topology, settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }

    /** Takes one purchase after the other. */
    private static final class Accrue extends ContextualProcessor<String, byte[], String, byte[]> {
        private final Meter meter;
        private KeyValueStore<String, byte[]> accounts;

        Accrue(Meter meter) {
            this.meter = meter;
        }

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            super.init(context);
            accounts = context.getStateStore("accounts");
        }

        @Override
        public void process(Record<String, byte[]> record) {
            try {
                accrue(record);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            meter.took();
        }

        private void accrue(Record<String, byte[]> record) throws IOException {
            JsonNode event = JSON.readTree(record.value());
            ObjectNode lines = JSON.createObjectNode();
            long spentMinor = 0;
            for (JsonNode line : event.at("/data/lines")) {
                spentMinor += line.get("amount_minor").longValue();
                lines.put(line.get("line_id").textValue(), line.get("amount_minor").longValue() / 100);
            }
            long points = spentMinor / 100;
            if (points == 0) {
                return;
            }
            String member = event.get("subject").textValue();
            byte[] held = accounts.get(member);
            ObjectNode account = held == null
                    ? JSON.createObjectNode().put("available", 0L).put("sequence", 0L)
                    : (ObjectNode) JSON.readTree(held);
            account.put("available", account.get("available").longValue() + points);
            account.put("sequence", account.get("sequence").longValue() + 1);
            accounts.put(member, JSON.writeValueAsBytes(account));

            byte[] entry = JSON.writeValueAsBytes(entry(event, member, points, spentMinor, lines, account));
            context().forward(record.withValue(entry), "ledger");
            byte[] balance = JSON.writeValueAsBytes(balance(event, member, points, account));
            context().forward(record.withValue(balance), "balances");
        }
    }

    private static ObjectNode entry(
            JsonNode event, String member, long points, long spentMinor, ObjectNode lines, ObjectNode account) {
        ObjectNode made = envelope(event, "loyalty.ledger.entry.v1", member, "entry");
        ObjectNode data = made.putObject("data");
        data.put("entry_id", made.get("id").textValue());
        data.put("kind", "earn").put("reason", "purchase").put("program", "one-per-unit").put("version", "1");
        data.set("cause", cause(event));
        data.put("effective_time", made.get("time").textValue());
        data.put("recorded_at", Instant.now().toString());
        data.put("member_sequence", account.get("sequence").longValue());
        ArrayNode postings = data.putArray("postings");
        posting(postings, "program:earned", -points, "");
        posting(postings, "member:" + member + ":available", points, made.get("id").textValue().substring(0, 16));
        ObjectNode step = data.putArray("steps").addObject();
        step.put("amount_minor", spentMinor).put("exact", spentMinor + "/100").put("kind", "per_amount");
        step.set("lines", lines);
        step.put("points", points).put("rate", "1/100").put("rounding", "floor").put("rule", "base");
        return made;
    }

    private static void posting(ArrayNode postings, String account, long amount, String lot) {
        postings.addObject()
                .put("account", account)
                .put("currency", "points")
                .put("amount", amount)
                .put("rule", "base")
                .put("lot", lot);
    }

    private static ObjectNode balance(JsonNode event, String member, long points, ObjectNode account) {
        ObjectNode made = envelope(event, "loyalty.balance.changed.v1", member, "balance");
        long available = account.get("available").longValue();
        ObjectNode data = made.putObject("data");
        data.put("program", "one-per-unit").put("currency", "points");
        data.put("available", available).put("pending", 0).put("delta", points);
        data.putObject("balances").putObject("points").put("available", available).put("pending", 0);
        data.set("cause", cause(event));
        data.put("recorded_at", Instant.now().toString());
        data.put("sequence", account.get("sequence").longValue());
        return made;
    }

    private static ObjectNode envelope(JsonNode event, String type, String member, String leg) {
        Instant time = OffsetDateTime.parse(event.get("time").textValue()).toInstant();
        return JSON.createObjectNode()
                .put("specversion", "1.0")
                .put("id", derivedId(event.get("source").textValue(), event.get("id").textValue(), leg))
                .put("source", "/loyalty/one-per-unit")
                .put("type", type)
                .put("time", time.toString())
                .put("subject", member)
                .put("datacontenttype", "application/json");
    }

    private static ObjectNode cause(JsonNode event) {
        ObjectNode made = JSON.createObjectNode();
        made.set("source", event.get("source"));
        made.set("id", event.get("id"));
        made.set("type", event.get("type"));
        return made;
    }

    private static String derivedId(String source, String id, String leg) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] whole = digest.digest((source + "|" + id + "|" + leg).getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(whole, 0, 16);
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Counts what was taken, and writes the report after the last event; there is none when `events` is 0. */
    private static final class Meter {
        private final long events;
        private final Path directory;
        private long taken;
        private double first;

        Meter(long events, Path directory) {
            this.events = events;
            this.directory = directory;
        }

        synchronized void took() {
            if (taken == 0) {
                first = now();
            }
            taken++;
            if (taken != events) {
                return;
            }
            try {
                Path unfinished = directory.resolve("report.part");
                Files.writeString(unfinished, String.format("{\"first\": %f, \"last\": %f}", first, now()));
                Files.move(unfinished, directory.resolve("report.json"), StandardCopyOption.ATOMIC_MOVE);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }

        private static double now() {
            Instant now = Instant.now();
            return now.getEpochSecond() + now.getNano() / 1e9;
        }
    }
}
