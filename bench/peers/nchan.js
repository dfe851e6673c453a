import { existsSync } from 'node:fs'
import { NchanWire } from '../wires/nchan.js'
import { sayVersion, startNativeServer } from './native-server.js'

const PROGRAM = '/usr/sbin/nginx'
const MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so'

/** The push module of nginx: one worker, its memory storage, messages that are not kept. */
export const nchan = {
  title: 'nginx with the Nchan module, one worker',
  Wire: NchanWire,
  version: () => existsSync(MODULE) ? sayVersion(PROGRAM, '-v', /nginx\/(\S+)/) : null,
  start: () => startNativeServer(PROGRAM, configuration, ({ file, folder }) => ['-c', file, '-p', folder, '-e', 'stderr'])
}

const configuration = ({ port, folder }) => `
load_module ${MODULE};
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 20000; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    tcp_nodelay on;
    location ~ /sub/(.+)$ {
      nchan_subscriber websocket;
      nchan_channel_id $1;
      nchan_subscriber_first_message newest;
    }
    location ~ /pub/(.+)$ {
      nchan_publisher websocket;
      nchan_channel_id $1;
      nchan_message_buffer_length 100;
      nchan_message_timeout 10s;
    }
  }
}
`
