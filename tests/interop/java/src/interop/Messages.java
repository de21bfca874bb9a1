package interop;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Sends messages, and says which ones it hears: Messages NAME-SERVER GROUP TOPIC TAGS. */
public final class Messages {
    private static final int SOON = 1000;
    private static final int TRIES = 20;

    private Messages() {}

    public static void main(String[] args) throws Exception {
        var producer = new DefaultMQProducer(args[1] + "-producer");
        producer.setNamesrvAddr(args[0]);
        producer.setPollNameServerInterval(SOON);
        producer.start();
        listen(args);
        Lines.answer(words -> "sent " + producer.send(message(words)).getSendStatus());
    }

    /** Again, when a busy name server does not answer the first time. */
    private static void listen(String[] args) throws Exception {
        for (int left = TRIES; ; left--) {
            var consumer = listening(args);
            try {
                consumer.start();
                return;
            } catch (Exception error) {
                consumer.shutdown();
                if (left == 0) {
                    throw error;
                }
                Thread.sleep(SOON);
            }
        }
    }

    private static DefaultMQPushConsumer listening(String[] args) throws Exception {
        var consumer = new DefaultMQPushConsumer(args[1]);
        consumer.setNamesrvAddr(args[0]);
        consumer.setPollNameServerInterval(SOON);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(args[2], args[3]);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(Messages::say);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        return consumer;
    }

    /** TOPIC TAG KEY BODY…, where a dash is none. */
    private static Message message(String[] words) {
        var body = String.join(" ", Arrays.copyOfRange(words, 3, words.length));
        var message = new Message(words[0], body.getBytes(StandardCharsets.UTF_8));
        if (!words[1].equals("-")) {
            message.setTags(words[1]);
        }
        if (!words[2].equals("-")) {
            message.setKeys(words[2]);
        }
        return message;
    }

    private static void say(MessageExt heard) {
        var body = new String(heard.getBody(), StandardCharsets.UTF_8);
        var name = heard.getTopic() + " " + heard.getTags() + " [" + heard.getKeys() + "] ";
        Lines.say("heard " + name + heard.getUserProperty("format") + " " + body);
    }
}
