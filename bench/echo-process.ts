// Started by echo.ts: answers every message of a stream with bytes of a fixed number, and reads none.
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { ANSWER_BYTES, ECHO } from './echo.ts';

const answer = Buffer.alloc(ANSWER_BYTES);
const server = new Server();
server.addService(
  { echo: ECHO },
  {
    echo(call: ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', () => call.write(answer));
      call.on('end', () => call.end());
    },
  },
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.send!(port);
});
process.once('disconnect', () => server.forceShutdown());
