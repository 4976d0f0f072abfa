// One executable that answers about pictures: ./describe photo.jpg "What is at the left?"
import { Llava } from 'pumice';
import model from 'pumice/models/pebble.gguf' with { type: 'file' };

const [image, text = 'Describe the picture.'] = process.argv.slice(2);
if (!image) {
  console.error('usage: describe PICTURE [QUESTION]');
  process.exit(2);
}
const llava = await Llava.load(model);
const content = [
  { type: 'image', image },
  { type: 'text', text },
];
console.log(await llava.chat([{ role: 'user', content }]).text());
await llava.dispose();
