// Record batches as Apache Kafka's own Java client makes them, one file per codec.
// java -cp '~/.cache/millrace/kafka-…/*' MakeJava.java FOLDER
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;

public class MakeJava {
  public static void main(String[] args) throws Exception {
    for (CompressionType type : CompressionType.values()) {
      SimpleRecord[] records = new SimpleRecord[400];
      for (int i = 0; i < records.length; i++) {
        byte[] value = ("{\"id\":\"request-" + i + "\",\"amount\":" + (i * 37 % 101) + ",\"text\":\"" + "lorem ipsum dolor ".repeat(i % 9) + "\"}").getBytes(StandardCharsets.UTF_8);
        Header[] headers = { new RecordHeader("n", Integer.toString(i).getBytes()) };
        records[i] = new SimpleRecord(1700000000000L + i * 1000L, ("key-" + i % 7).getBytes(), value, headers);
      }
      MemoryRecords batch = MemoryRecords.withRecords(RecordBatch.MAGIC_VALUE_V2, 0L, Compression.of(type).build(), TimestampType.CREATE_TIME, records);
      try (FileChannel out = FileChannel.open(Path.of(args[0], "java-" + type.name + ".bin"), StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
        ByteBuffer bytes = batch.buffer().duplicate();
        while (bytes.hasRemaining()) out.write(bytes);
      }
      System.out.println(type.name + " " + batch.sizeInBytes());
    }
  }
}
