package interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/** How a test speaks with a program: it writes a line, and reads those that begin with "> ", its answer with "> = ". */
final class Lines {
    interface Command {
        String answer(String[] words) throws Exception;
    }

    private Lines() {}

    static synchronized void say(String line) {
        System.out.println("> " + line.replace('\n', ' '));
        System.out.flush();
    }

    /** Says that it is ready, then answers each line, until there are no more: then the program ends gracefully. */
    static void answer(Command command) throws IOException {
        say("ready");
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            say("= " + tried(command, line.split(" ")));
        }
        System.exit(0);
    }

    private static String tried(Command command, String[] words) {
        try {
            return command.answer(words);
        } catch (Exception error) {
            return "failed " + Dubbo.status(error) + " " + error;
        }
    }
}
