import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.Set;

/**
 * Answers, line by line, what java.time makes of "zone local-time second-before second-after".
 *
 * The answer is "local-time's instant, offset at the one before, offset at the one after", in
 * seconds, or "-" where this JDK does not know the zone.
 */
class OfLocal {
    public static void main(String[] arguments) throws IOException {
        Set<String> known = ZoneId.getAvailableZoneIds();
        StringBuilder answers = new StringBuilder();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] asked = line.split(" ");
            if (known.contains(asked[0])) {
                ZoneId zone = ZoneId.of(asked[0]);
                LocalDateTime local = LocalDateTime.parse(asked[1]);
                ZonedDateTime resolved = ZonedDateTime.ofLocal(local, zone, null);
                answers.append(resolved.toEpochSecond());
                answers.append(' ').append(offset(zone, asked[2]));
                answers.append(' ').append(offset(zone, asked[3])).append('\n');
            } else {
                answers.append("-\n");
            }
        }
        System.out.print(answers);
    }

    private static int offset(ZoneId zone, String second) {
        ZoneOffset offset = zone.getRules().getOffset(Instant.ofEpochSecond(Long.parseLong(second)));
        return offset.getTotalSeconds();
    }
}
